# `odin.service`, its jobs, and the declaration they read.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.odin;
  toml = pkgs.formats.toml { };

  # TOML has no null: what is not declared is left out.
  present = lib.filterAttrs (_: value: value != null);

  # The build fails on a declaration that the program would refuse at boot.
  declaration = pkgs.runCommand "odin.toml" { } ''
    install -m 0444 ${toml.generate "odin.toml" cfg.settings} $out
    ${lib.getExe cfg.package} config check $out
  '';

  badSecrets = lib.filter (secret: (secret.file == null) == (secret.generate == null)) cfg.secrets;
in
{
  imports = [ ./options.nix ];

  config = lib.mkIf cfg.enable {
    assertions = map (secret: {
      assertion = false;
      message = "odin.secrets: ${secret.namespace}/${secret.name} ${secret.key} has file = ${builtins.toJSON secret.file} and generate = ${builtins.toJSON secret.generate}; set exactly one";
    }) badSecrets;

    odin.settings = {
      host = {
        inherit (cfg.cluster) role;
        k3s-unit = "k3s.service";
      };
      apply = {
        bundle = "/etc/odin/bundle";
        prune-limit = cfg.apply.pruneLimit;
        allow-prune = cfg.apply.allowPrune;
        take-over = cfg.apply.takeOver;
        repair-drift = cfg.apply.repairDrift;
      };
      secrets = lib.mkIf (cfg.secrets != [ ]) (map present cfg.secrets);
      # The namespaces are those of manifests/charts/platform.
      verify = lib.mapAttrs (_: lib.mkDefault) {
        probe-namespace = "odin-platform";
        quota-namespace = "odin-platform";
        restricted-namespace = "workloads";
        denied-account = "odin-platform/odin-operator-probe";
        isolated-namespaces = [
          "monitoring"
          "monitoring-host"
          "odin-platform"
          "workloads"
        ];
      };
    };

    environment.etc."odin/odin.toml".source = declaration;
    environment.etc."odin/bundle".source = cfg.bundle;

    # Readers of the status socket; see docs/architecture.md, Operations.
    users.groups.odin = { };

    # The units ship with the package. NixOS ignores [Install] of such units.
    systemd.packages = [ cfg.package ];
    systemd.services.odin = {
      wantedBy = [ "multi-user.target" ];
      restartTriggers = [
        declaration
        cfg.bundle
      ];
    };
    # odin.service comes after K3s, and has to come when K3s waits without end,
    # as for a quorum: it is what says so. NixOS sets no limit.
    systemd.services.k3s.serviceConfig.TimeoutStartSec = lib.mkForce "30min";
    # A switch must not end a running backup or restore; the next job uses the
    # new program by itself.
    systemd.services."odin-job@" = {
      restartIfChanged = false;
      stopIfChanged = false;
      # A restore with a new identity ends with `k3s`.
      path = [ config.services.k3s.package ];
    };
  };
}
