# How pods get the GPUs, what is told of them, and what is done when they are
# not well.
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
        NVIDIA's, which is in no nixpkgs and has to come with the bundle and its
        image; until it does no pod gets a GPU.
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
        all of it. Null: nothing is shared.
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

    remediation = {
      actions = mkOption {
        type = types.listOf (
          types.enum [
            "taint"
            "cordon"
            "drain"
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
          GPU, as far as disruption budgets allow.
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
  };
}
