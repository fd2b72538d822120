# The hooks of NixOS that hand an upgrade to `odin upgrade`, and a boot that
# falls back by itself. All decisions are made there, none in these lines.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.odin.upgrade;
  odin = lib.getExe config.odin.package;
  inherit (config) hardware;
  # bootctl and systemctl; k3s, by which a return of the datastore ends. None of
  # the callers below has the system's own path.
  tools = [
    config.systemd.package
    config.services.k3s.package
  ];
  path = "PATH=${lib.makeBinPath tools}:$PATH";
  atBoot = {
    wantedBy = [ "multi-user.target" ];
    restartIfChanged = false;
  };
in
{
  imports = [ ./options.nix ];

  config = lib.mkIf config.odin.enable {
    # A running machine takes none of these without a reboot. NixOS compares
    # the values and refuses the switch; the check below adds what to do.
    system.switch.inhibitors = {
      kernel = config.boot.kernelPackages.kernel.version;
      systemd = config.systemd.package.version;
    }
    // lib.optionalAttrs config.odin.gpu.enable {
      nvidia-driver = hardware.nvidia.package.version;
    };

    # $1: the incoming system, $2: switch, boot, test or dry-activate. It vetoes
    # or is silent; it never takes a backup, and lets everything pass that does
    # not touch a running cluster. The name comes before NixOS' own check of the
    # inhibitors, which does not know `odin upgrade apply`.
    system.preSwitchChecks.odin = ''
      ${path} ${odin} upgrade check "''${1-}" "''${2-}"
    '';

    boot.loader = {
      # As many as are kept: an entry without its system cannot be booted.
      systemd-boot.configurationLimit = cfg.keepGenerations;
      # Long enough for somebody at the console, short enough for nobody.
      timeout = lib.mkDefault 3;
      # Runs after the entries are written, whoever asked for it, so that a plain
      # `nixos-rebuild boot` is staged like `odin upgrade apply`: the old entry
      # stays the default and the new one is set for one boot. First, because $?
      # is the result of writing them, which the script does not look at.
      systemd-boot.extraInstallCommands = lib.mkBefore ''
        ${path} ${odin} upgrade stage --written "$?" "''${1-}"
      '';
    };

    # What `odin upgrade` compares between two generations, readable from a
    # closure that does not run.
    environment.etc."odin/generation.json".source = (pkgs.formats.json { }).generate "generation.json" {
      nixos = config.system.nixos.label;
      kernel = config.boot.kernelPackages.kernel.version;
      systemd = config.systemd.package.version;
      k3s = lib.getVersion config.services.k3s.package;
      ${if config.odin.gpu.enable then "driver" else null} = hardware.nvidia.package.version;
    };

    odin.settings.upgrade = {
      inherit (cfg) deadline steady units;
      fresh-backup = cfg.freshBackup;
      free-store-mib = cfg.freeStoreMiB;
      free-boot-mib = cfg.freeBootMiB;
    };

    # The verdict, and what reboots when there can be none. The units ship with
    # the package; a switch is no boot.
    systemd.services = {
      odin-confirm = atBoot // {
        path = tools;
      };
      odin-trial = atBoot;
      # Started by a failure of the verdict alone.
      odin-fall-back.restartIfChanged = false;
      # `odin upgrade` by hand is carried out here.
      odin.path = tools;
      "odin-job@".path = tools;
    };

    # A kernel that panics and an initrd that fails reboot, into the old entry.
    boot.kernelParams = [
      "panic=10"
      "boot.panic_on_fail"
    ];
    # Nobody is there to type a password at a rescue prompt.
    systemd.enableEmergencyMode = false;
    boot.initrd.systemd.emergencyAccess = false;
    systemd.settings.Manager = lib.mkIf (cfg.watchdog != null) {
      RuntimeWatchdogSec = cfg.watchdog;
      RebootWatchdogSec = "10min";
    };

    nix = {
      settings.trusted-public-keys = cfg.trustedKeys;
      # Old generations are what going back needs; `odin upgrade` decides which
      # may go.
      gc.automatic = lib.mkDefault false;
      settings.experimental-features = [
        "nix-command"
        "flakes"
      ];
    };
  };
}
