# What ODIN's exporter tells of the GPUs.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.odin.gpu.metrics = {
    dcgmAliases = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether metrics have their names of DCGM 4.6 beside the older ones.
        Prometheus keeps both then.
      '';
    };

    dcgmLabels = mkOption {
      type = types.listOf (types.strMatching "DCGM_FI_[A-Z0-9_]+");
      default = [ "DCGM_FI_DRIVER_VERSION" ];
      example = [
        "DCGM_FI_DRIVER_VERSION"
        "DCGM_FI_DEV_SERIAL"
      ];
      description = ''
        Label fields of DCGM that its metrics carry. A value that changes makes
        every series a new one.
      '';
    };

    pricePerGpuHour = mkOption {
      type = types.nullOr types.float;
      default = null;
      example = 2.5;
      description = ''
        Price of a GPU-hour, in any currency, from which the cost of pods is
        told. Null: no cost is told.
      '';
    };

    idleAfter = mkOption {
      type = types.strMatching "([0-9]+(s|m|h))+";
      default = "15m";
      example = "1h";
      description = ''
        How long a pod may have a GPU without work before the GPU counts as
        reserved and idle.
      '';
    };
  };
}
