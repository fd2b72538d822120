# How it is known that the backups can be restored.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  schedule = types.nullOr types.nonEmptyStr;
  age = types.strMatching "[0-9]+(h|m|s|d).*";
in
{
  options.odin.backup = {
    drill = {
      schedule = mkOption {
        type = schedule;
        default = "0 4 * * 0";
        example = "0 4 1 * *";
        description = ''
          When the newest snapshot is restored beside the running system and
          compared. It needs the space of the restored data for that time. Null:
          by command only, and nobody knows that the backups restore.
        '';
      };
      maximumAge = mkOption {
        type = age;
        default = "192h";
        example = "800h";
        description = "Age of the newest good drill above which `odin verify` fails.";
      };
    };

    check = {
      schedule = mkOption {
        type = schedule;
        default = "0 5 * * 0";
        example = "0 5 1 * *";
        description = "When the repository is checked. Null: by command only.";
      };
      readData = mkOption {
        type = types.bool;
        default = false;
        example = true;
        description = ''
          Whether a check reads every byte. It finds rotten disks, and reads
          the whole repository each time.
        '';
      };
    };
  };
}
