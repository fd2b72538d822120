# The host's side of logs: the journal, and the files a collector reads.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.odin.logs = {
    enable = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether the journal, the kernel's log among it, is written to files in
        `/var/log/odin/journal` for the collector. Without them only the logs
        of pods are collected.
      '';
    };

    journal = {
      fileSize = mkOption {
        type = types.strMatching "[0-9]+(KiB|MiB|GiB)";
        default = "32MiB";
        example = "64MiB";
        description = "Size at which such a file is rotated, from 1MiB to 1GiB.";
      };
      files = mkOption {
        type = types.ints.between 2 1000;
        default = 8;
        example = 16;
        description = ''
          How many such files are kept. Times `odin.logs.journal.fileSize`, it
          is how far a collector may fall behind before it loses lines.
        '';
      };
      maximumUse = mkOption {
        type = types.strMatching "[0-9]+[KMGT]";
        default = "2G";
        example = "8G";
        description = ''
          Space that the journal itself may take (`SystemMaxUse=` of
          journald.conf). It is what the files are made from, and what lines
          wait in while the disk is too full to write them.
        '';
      };
    };
  };
}
