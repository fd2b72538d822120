# Driver, container toolkit and their order before K3s.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.odin.gpu;
  data = import ./compatibility.nix;
  toolkit = config.hardware.nvidia-container-toolkit.package;
  generator = "nvidia-container-toolkit-cdi-generator.service";
in
{
  imports = [
    ./options.nix
    ./assertions.nix
    ./declaration.nix
  ];

  config = lib.mkIf (config.odin.enable && cfg.enable) {
    hardware.nvidia = {
      branch = data.branches.${cfg.branch}.nixpkgs;
      open = cfg.openModule;
      nvidiaPersistenced = cfg.persistence;
      # With the fabric manager NixOS takes another path to the same driver, and
      # the two exclude each other.
      datacenter.enable = cfg.fabricManager;
      # Both need a display.
      nvidiaSettings = false;
      videoAcceleration = false;
    };
    # The name under which NixOS knows the driver; no X server is started.
    services.xserver.videoDrivers = lib.mkIf (!cfg.fabricManager) [ "nvidia" ];
    # Programs and containers find the driver at /run/opengl-driver; the path of
    # the fabric manager puts nothing there.
    hardware.graphics = {
      enable = true;
      extraPackages = lib.mkIf cfg.fabricManager [ config.hardware.nvidia.package ];
    };
    # The open module loads its firmware from here; the path of the fabric
    # manager does not set it.
    hardware.firmware = lib.mkIf (cfg.fabricManager && cfg.openModule) [
      config.hardware.nvidia.package.firmware
    ];

    hardware.nvidia-container-toolkit = {
      enable = true;
      # Stays the same when a card is taken out; an index does not.
      device-name-strategy = "uuid";
    };

    # The name by which NVIDIA's own charts find nodes with GPUs; Prometheus asks
    # these for GPU metrics, and calls an alarm when there is no answer.
    services.k3s.nodeLabel = [ "nvidia.com/gpu.present=true" ];

    # Needed by CUDA and never loaded on demand inside a container.
    boot.kernelModules = [ "nvidia_uvm" ];

    # K3s looks for the container runtimes in its PATH when it starts, and the
    # device plugin reads the CDI specification: both have to be there first.
    systemd.services.k3s = {
      wants = [ generator ];
      after = [ generator ];
      path = [
        toolkit
        toolkit.tools
        pkgs.runc
      ];
    };

    # systemd gives containers their devices by /dev/char; the driver makes no
    # links there, so a daemon-reload would take the GPUs from running pods
    # (github.com/NVIDIA/nvidia-container-toolkit, issue 48).
    services.udev.extraRules = ''
      ACTION=="add|bind", SUBSYSTEM=="pci", DRIVER=="nvidia", RUN+="${lib.getExe' toolkit "nvidia-ctk"} system create-dev-char-symlinks --create-all"
    '';

    # Metrics, verdicts and device plugin; the unit ships with the package.
    systemd.services.odin-gpu = {
      wantedBy = [ "multi-user.target" ];
      wants = [ generator ];
      after = [ generator ];
      restartTriggers = [ config.environment.etc."odin/odin.toml".source ];
    };

    # The driver is unfree; nothing else of that kind may slip in. nixpkgs.config
    # knows no priorities: an owner's own predicate has to name these as well.
    nixpkgs.config.allowUnfreePredicate =
      package:
      lib.elem (lib.getName package) [
        "fabricmanager"
        "nvidia-dc"
        "nvidia-persistenced"
        "nvidia-settings"
        "nvidia-x11"
      ];
  };
}
