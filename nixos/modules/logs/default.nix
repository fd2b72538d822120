# The journal, and `odin-journal.service`, which writes it to files.
{
  config,
  lib,
  ...
}:
let
  cfg = config.odin.logs;
in
{
  imports = [ ./options.nix ];

  config = lib.mkIf config.odin.enable {
    # Kept: the journal is what explains a generation that was given up.
    services.journald = {
      storage = "persistent";
      extraConfig = "SystemMaxUse=${cfg.journal.maximumUse}";
    };

    odin.settings.logs = {
      journal-file-size = cfg.journal.fileSize;
      journal-files = cfg.journal.files;
    };

    # The unit ships with the package.
    systemd.services.odin-journal = {
      wantedBy = lib.optional cfg.enable "multi-user.target";
      # journalctl reads the journal.
      path = [ config.systemd.package ];
      restartTriggers = [ config.environment.etc."odin/odin.toml".source ];
    };
  };
}
