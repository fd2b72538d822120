# How GPUs are cut into MIG devices.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.odin.gpu.mig = mkOption {
    type = types.attrsOf (types.attrsOf types.ints.positive);
    default = { };
    example = {
      "NVIDIA H100 80GB HBM3" = {
        "1g.10gb" = 4;
        "3g.40gb" = 1;
      };
    };
    description = ''
      How many MIG devices of which profile the GPUs of a model are cut into;
      the model as `odin gpu list` tells it, profiles as `nvidia-smi mig -lgip`
      names them. A model without any, and one that is not named, has MIG mode
      off. Done at boot, and by `odin gpu mig apply`, which waits for no pod: a
      GPU in use is refused. Empty: MIG is left alone. Pods get MIG devices
      only with `migStrategy` in `odin.gpu.sharing`.
    '';
  };
}
