# Keys only; no password but a declared one for the console.
{
  config,
  lib,
  ...
}:
let
  cfg = config.odin.access;
in
{
  imports = [ ./options.nix ];

  config = lib.mkIf config.odin.enable {
    users = {
      mutableUsers = false;
      # The image is built before the keys of its hosts exist; NixOS would
      # refuse it as a system nobody can log in to.
      allowNoPasswordLogin = true;
      users.${cfg.user} = {
        isNormalUser = true;
        extraGroups = [
          "odin"
          "systemd-journal"
          "wheel"
        ];
        openssh.authorizedKeys.keys = cfg.authorizedKeys;
      };
      users.root.hashedPasswordFile = cfg.rescuePasswordFile;
    };

    # `odin host apply` writes the keys of site.toml here.
    odin.settings.access.keys-file = "/var/lib/odin-keys/${cfg.user}";

    services.openssh = {
      enable = true;
      openFirewall = lib.mkDefault true;
      # /var/lib/odin is root's alone, and sshd reads keys as the user.
      authorizedKeysFiles = [ "/var/lib/odin-keys/%u" ];
      settings = {
        PasswordAuthentication = false;
        KbdInteractiveAuthentication = false;
        PermitRootLogin = "no";
        AllowGroups = [ "wheel" ];
        X11Forwarding = false;
        AllowAgentForwarding = false;
        MaxAuthTries = 3;
        LoginGraceTime = 30;
        ClientAliveInterval = 300;
      };
    };

    # The account has no password to ask for; its key is what is trusted.
    security.sudo = {
      execWheelOnly = true;
      wheelNeedsPassword = false;
    };

    systemd.tmpfiles.settings."15-odin-keys"."/var/lib/odin-keys".d = {
      mode = "0755";
      user = "root";
      group = "root";
    };
  };
}
