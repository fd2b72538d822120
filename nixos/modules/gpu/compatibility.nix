# Which driver goes with which GPU, CUDA and kernel, as data. Printed in
# docs/reference/compatibility.md and checked when the system is evaluated.
#
# Sources: CUDA and driver: table 3 of NVIDIA's CUDA Toolkit release notes.
# Families and kernel modules: NVIDIA's notes on the transition to open kernel
# modules (Grace Hopper and Blackwell need them, before Turing there are none)
# and the end of Maxwell, Pascal and Volta with branch 580. Maintenance: NVIDIA's
# data center driver lifecycle table of August 2026. Branches: the
# attribute names of nixpkgs' nvidiaPackages. Kernels: the long-term ones that
# nixpkgs 26.05 packages and these drivers build for there; a newer kernel may
# work and is not promised.
{
  branches = {
    production = {
      nixpkgs = "production";
      series = "595";
      until = "2027-03";
    };
    lts = {
      nixpkgs = "legacy_580";
      series = "580";
      until = "2028-06";
    };
    datacenter = {
      nixpkgs = "dc";
      series = "580";
      until = "2028-06";
    };
  };

  series = {
    "595" = {
      cuda = "13.2";
      families = [
        "turing"
        "ampere"
        "ada"
        "hopper"
        "blackwell"
      ];
      kernels = [
        "6.12"
        "6.18"
      ];
    };
    "580" = {
      cuda = "13.0";
      families = [
        "maxwell"
        "pascal"
        "volta"
        "turing"
        "ampere"
        "ada"
        "hopper"
        "blackwell"
      ];
      kernels = [
        "6.12"
        "6.18"
      ];
    };
  };

  # Kernel module: whether the open one works, whether the closed one does.
  # cuda: the newest CUDA whose toolkit still builds for the family.
  families = {
    maxwell = {
      open = false;
      closed = true;
      cuda = "12.9";
    };
    pascal = {
      open = false;
      closed = true;
      cuda = "12.9";
    };
    volta = {
      open = false;
      closed = true;
      cuda = "12.9";
    };
    turing = {
      open = true;
      closed = true;
      cuda = null;
    };
    ampere = {
      open = true;
      closed = true;
      cuda = null;
    };
    ada = {
      open = true;
      closed = true;
      cuda = null;
    };
    hopper = {
      open = true;
      closed = true;
      cuda = null;
    };
    blackwell = {
      open = true;
      closed = false;
      cuda = null;
    };
  };
}
