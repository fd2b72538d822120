# What the options of the GPUs become: `[gpu]` of odin.toml, and NVIDIA's
# exporter in place of ODIN's.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.odin.gpu;
  present = lib.filterAttrs (_: value: value != null);
  exporter = pkgs.prometheus-dcgm-exporter;
in
{
  imports = [
    ./metrics-options.nix
    ./offer-options.nix
  ];

  config = lib.mkIf (config.odin.enable && cfg.enable) {
    # With the section GPUs are declared, and `odin verify` expects them.
    odin.settings.gpu = present {
      # Of this very driver, whichever path NixOS took to it.
      library = "${config.hardware.nvidia.package}/lib/libnvidia-ml.so.1";
      listen = "0.0.0.0:${toString cfg.metricsPort}";
      dcgm-aliases = cfg.metrics.dcgmAliases;
      dcgm-labels = cfg.metrics.dcgmLabels;
      price-per-gpu-hour = cfg.metrics.pricePerGpuHour;
      idle-after = cfg.metrics.idleAfter;
      inherit (cfg) exporter;
      device-plugin = cfg.devicePlugin;
      sharing-file = if cfg.sharing == null then null else "/etc/odin/device-plugin.yaml";
      unhealthy-on = cfg.unhealthyOn;
      remediation = {
        inherit (cfg.remediation) actions after;
        dry-run = cfg.remediation.dryRun;
        maximum-nodes = cfg.remediation.maximumNodes;
      };
    };

    # JSON is YAML.
    environment.etc."odin/device-plugin.yaml" = lib.mkIf (cfg.sharing != null) {
      text = builtins.toJSON cfg.sharing;
    };

    # Not proven: DCGM needs a GPU. It runs its engine inside the exporter.
    systemd.services.dcgm-exporter = lib.mkIf (cfg.exporter == "dcgm") {
      description = "NVIDIA's exporter of GPU metrics";
      wantedBy = [ "multi-user.target" ];
      after = [ "k3s.service" ];
      environment.LD_LIBRARY_PATH = lib.makeLibraryPath [ config.hardware.nvidia.package ];
      serviceConfig = {
        ExecStart = lib.concatStringsSep " " [
          (lib.getExe' exporter "dcgm-exporter")
          "--address=:${toString cfg.metricsPort}"
          "--collectors=${./dcgm-counters.csv}"
          "--kubernetes"
        ];
        Restart = "always";
        RestartSec = "5s";
        MemoryMax = "512M";
        NoNewPrivileges = true;
        PrivateTmp = true;
        ProtectHome = true;
        ProtectSystem = "full";
      };
    };
  };
}
