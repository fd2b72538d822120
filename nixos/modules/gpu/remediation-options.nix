# What servers do about a node whose GPUs are not all well.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.odin.gpu.remediation = {
    actions = mkOption {
      type = types.listOf (
        types.enum [
          "taint"
          "cordon"
          "drain"
          "reset"
        ]
      );
      default = [ ];
      example = [
        "taint"
        "drain"
      ];
      description = ''
        What servers do about a node whose GPUs are not all well, and take
        back when they are. `drain` evicts every pod of the node that has a
        GPU, as far as disruption budgets allow. `reset` resets a GPU where the
        driver asks for it or memory waits for it, once no pod has it; not with
        `odin.gpu.mig`, whose devices a reset takes away.
      '';
    };
    dryRun = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Only says what would be done, in the log and the history. When false
        it is done.
      '';
    };
    after = mkOption {
      type = types.strMatching "([0-9]+(s|m|h))+";
      default = "1m";
      example = "10m";
      description = ''
        How long a node must be unwell before anything is done. Shorter than a
        GPU's reset takes, it drains for every reset.
      '';
    };
    resetsADay = mkOption {
      type = types.ints.unsigned;
      default = 2;
      example = 1;
      description = ''
        Resets of one GPU in a day. One that needs more stays out of use until
        a person looks at it.
      '';
    };
    maximumNodes = mkOption {
      type = types.ints.positive;
      default = 1;
      example = 2;
      description = ''
        Nodes that may be acted on at the same time; the others wait. With as
        many as there are nodes a common cause can empty the cluster.
      '';
    };
  };
}
