# When what no snapshot needs is freed.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.odin.backup.prune = {
    schedule = mkOption {
      type = types.nullOr types.nonEmptyStr;
      default = "0 6 * * 0";
      example = "0 6 1 * *";
      description = ''
        When the data that only forgotten snapshots needed is freed. The default
        is after drill and check. Null: by command only, and the repository
        grows with every backup.
      '';
    };

    maxUnused = mkOption {
      type = types.strMatching "[0-9]+([.][0-9]{1,2})?%|[0-9]+[kKmMgGtT]?|unlimited";
      default = "10%";
      example = "500M";
      description = ''
        Data of no use that may stay within packs that are needed in part: a
        share of the repository, an amount, or `unlimited`. Above it such packs
        are written anew, which reads and writes what is needed of them.
      '';
    };
  };
}
