# Further repositories and further sources.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  name = types.strMatching "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
  entries = options: types.listOf (types.submodule { inherit options; });
in
{
  options.odin.backup = {
    copies = mkOption {
      type = entries {
        name = mkOption {
          type = name;
          example = "usb";
          description = "Name for `odin backup copy`.";
        };
        repository = mkOption {
          type = types.externalPath;
          example = "/mnt/usb/odin";
          description = "Directory of the second repository, on another disk or mount.";
        };
        passwordFile = mkOption {
          type = types.externalPath;
          example = "/var/lib/odin/credentials/usb";
          description = "File with its password.";
        };
        schedule = mkOption {
          type = types.nullOr types.nonEmptyStr;
          default = null;
          example = "0 6 * * *";
          description = "When snapshots are copied, as in cron. Null: by command only.";
        };
      };
      default = [ ];
      example = [
        {
          name = "usb";
          repository = "/mnt/usb/odin";
          passwordFile = "/var/lib/odin/repository-password";
          schedule = "0 6 * * *";
        }
      ];
      description = ''
        Further repositories that snapshots are copied to and verified in.
        Without one, a fire or a thief takes the backups with the machine.
      '';
    };

    sources = mkOption {
      type = entries {
        name = mkOption {
          type = name;
          example = "models";
          description = "Name in the snapshot.";
        };
        kind = mkOption {
          type = types.enum [
            "directory"
            "file"
            "sqlite"
          ];
          default = "directory";
          example = "sqlite";
          description = "How it is read; `sqlite` is copied consistently while it is written.";
        };
        path = mkOption {
          type = types.externalPath;
          example = "/srv/models";
          description = "Where it lies.";
        };
        required = mkOption {
          type = types.bool;
          default = true;
          example = false;
          description = "Whether its absence fails the backup; otherwise it is noted.";
        };
      };
      default = [ ];
      example = [
        {
          name = "models";
          path = "/srv/models";
        }
      ];
      description = "Files and directories beyond what every server has backed up anyway.";
    };
  };
}
