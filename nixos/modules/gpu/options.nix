# The GPUs of the machine and the driver they need.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  compatibility = import ./compatibility.nix;
in
{
  options.odin.gpu = {
    enable = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Whether the machine has NVIDIA GPUs. When false no driver is built in,
        nothing unfree is in the closure and no pod can ask for a GPU. The node
        registers with the label `nvidia.com/gpu.present=true` when true, by
        which Prometheus finds its GPU metrics; on a node that is registered
        already the label is changed with `kubectl label`.
      '';
    };

    branch = mkOption {
      type = types.enum (lib.attrNames compatibility.branches);
      default = "production";
      example = "lts";
      description = ''
        Driver branch. `production` is the newest that NVIDIA maintains for a
        year; `lts` is kept for years and is the last for GPUs before Turing;
        `datacenter` is the build for NVLink switches. A change takes effect
        with a reboot: a switch is refused, use `odin upgrade apply`.
      '';
    };

    fabricManager = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Starts the fabric manager, without which the GPUs of a machine with
        NVSwitch cannot be used. On a machine without NVSwitch it fails, and
        with it the verdict on every upgrade. Needs branch `datacenter`.
      '';
    };

    openModule = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Uses NVIDIA's open kernel module. Blackwell needs it; GPUs before
        Turing are not seen with it.
      '';
    };

    families = mkOption {
      type = types.listOf (types.enum (lib.attrNames compatibility.families));
      default = [ ];
      example = [
        "hopper"
        "blackwell"
      ];
      description = ''
        GPU families of the machine. Each is checked against branch, kernel
        module and CUDA, so that a driver that does not see the GPUs is refused
        before it is built. Empty: nothing is checked.
      '';
    };

    cuda = mkOption {
      type = types.nullOr (types.strMatching "[0-9]+\\.[0-9]+");
      default = null;
      example = "13.0";
      description = ''
        Newest CUDA version that workloads bring with them. Checked against the
        driver, which runs its own CUDA version and older ones. Null: nothing
        is checked.
      '';
    };

    persistence = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Keeps the driver initialised when no process uses a GPU. Without it
        every first use waits for seconds, and ECC counters start again.
      '';
    };

    metricsPort = mkOption {
      type = types.port;
      default = 9400;
      example = 9401;
      description = ''
        Port of the GPU metrics, DCGM's by convention. Prometheus of the bundle
        looks for them there; another port needs another scrape.
      '';
    };
  };
}
