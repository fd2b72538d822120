# How pods get the GPUs, and what is told of them.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  options.odin.gpu = {
    devicePlugin = mkOption {
      type = types.enum [
        "odin"
        "nvidia"
        "none"
      ];
      default = "odin";
      example = "nvidia";
      description = ''
        Whose device plugin offers the GPUs to pods. `nvidia` leaves them to
        NVIDIA's, which is put into the bundle. Its image is in no nixpkgs: it is
        pulled, or preloaded by `services.k3s.images`, and until it is there no
        pod gets a GPU.
      '';
    };

    exporter = mkOption {
      type = types.enum [
        "odin"
        "dcgm"
      ];
      default = "odin";
      example = "dcgm";
      description = ''
        Whose exporter answers at `odin.gpu.metricsPort`. `dcgm` starts the
        dcgm-exporter of nixpkgs; everything that is called `odin_gpu_*` is gone
        then, and with it what alerts and dashboards make of it.
      '';
    };

    sharing = mkOption {
      type = types.nullOr (types.attrsOf types.anything);
      default = null;
      example = {
        version = "v1";
        sharing.timeSlicing.resources = [
          {
            name = "nvidia.com/gpu";
            replicas = 4;
          }
        ];
      };
      description = ''
        Configuration of NVIDIA's device plugin, version v1: MIG strategy and
        time-slicing. Pods that share a GPU share its memory, and one can take
        all of it. Null: nothing is shared. It is read by ODIN's own plugin;
        NVIDIA's takes its own from the values of the bundle's component.
      '';
    };

    unhealthyOn = mkOption {
      type = types.listOf (
        types.enum [
          "ecc-uncorrected"
          "row-remap-pending"
          "nvlink-errors"
          "hardware-thermal"
          "hardware-power-brake"
          "hardware-slowdown"
          "pcie-width"
          "pcie-generation"
        ]
      );
      default = [
        "ecc-uncorrected"
        "row-remap-pending"
        "nvlink-errors"
      ];
      example = [
        "ecc-uncorrected"
        "hardware-thermal"
      ];
      description = ''
        What keeps a GPU that still works from new pods. A slow GPU that is
        kept from them makes pods wait; one with uncorrected errors that is not
        may make their results wrong.
      '';
    };
  };
}
