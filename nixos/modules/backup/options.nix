# What is backed up, when, to where. The keys are those of odin.toml.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  schedule = types.nullOr types.nonEmptyStr;
  age = types.strMatching "[0-9]+(h|m|s|d).*";
  kept =
    what: default: example:
    mkOption {
      type = types.ints.unsigned;
      inherit default example;
      description = "How many ${what} keep their last snapshot; 0 keeps none on this account.";
    };
in
{
  imports = [
    ./places-options.nix
    ./proof-options.nix
    ./prune-options.nix
    ./volume-options.nix
  ];

  options.odin.backup = {
    enable = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether the datastore, volumes, token, certificates and ODIN's state are
        backed up. When false a lost disk is a lost cluster, and upgrades have
        no snapshot to return to. Agents have nothing to back up and ignore it.
      '';
    };

    repository = mkOption {
      type = types.externalPath;
      default = "/var/lib/odin/repository";
      example = "/mnt/backup/repository";
      description = ''
        Directory of the repository, in restic's format. The default lies on
        the same disk as what it protects: name another disk here or in
        `odin.backup.copies`.
      '';
    };

    passwordFile = mkOption {
      type = types.nullOr types.externalPath;
      default = "/var/lib/odin/repository-password";
      example = "/var/lib/odin/credentials/repository";
      description = ''
        File with the password of the repository. Below `/var/lib/odin` it is
        made at the first boot (`odin-host.service`), unless the repository is
        there already: then it is the one that was kept. Keep a copy away from
        the machine: without it no backup can be read. A path of the Nix store
        is refused.
      '';
    };

    schedule = mkOption {
      type = schedule;
      default = "30 2 * * *";
      example = "0 */6 * * *";
      description = "When a backup is taken, as in cron. Null: by command only.";
    };

    maximumAge = mkOption {
      type = age;
      default = "26h";
      example = "8h";
      description = ''
        Age of the newest snapshot above which `odin verify` fails and an
        upgrade is refused. Shorter than the schedule's pauses, it always does.
      '';
    };

    retention = {
      last = kept "newest snapshots" 3 5;
      hourly = kept "hours" 0 24;
      daily = kept "days" 7 14;
      weekly = kept "weeks" 4 8;
      monthly = kept "months" 6 12;
      yearly = kept "years" 0 3;
    };
  };
}
