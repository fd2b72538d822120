# `odin.toml` and what of it has no concern of its own.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) literalExpression mkOption types;
  toml = pkgs.formats.toml { };
  object = types.strMatching "[^/]+(/[^/]+){1,2}";
  packages = import ../../packages { inherit pkgs; };
in
{
  options.odin = {
    overlay = mkOption {
      type = types.enum [
        "dev"
        "prod"
      ];
      default = "prod";
      example = "dev";
      description = ''
        Variant of the manifests that is rendered into the bundle. `prod` asks
        for the memory and storage of a GPU server; on a small machine its pods
        stay pending, and `dev` fits.
      '';
    };

    bundle = mkOption {
      type = types.package;
      default = packages.bundles.${config.odin.overlay};
      defaultText = literalExpression "the rendered bundle of odin.overlay";
      example = literalExpression "inputs.site.packages.x86_64-linux.bundle";
      description = ''
        Rendered manifests that the supervisor keeps applied. Objects that
        leave the bundle are pruned, within `odin.apply.pruneLimit`.
      '';
    };

    settings = mkOption {
      inherit (toml) type;
      default = { };
      example = literalExpression "{ verify.quota-namespace = \"tenants\"; }";
      description = ''
        Further keys of `/etc/odin/odin.toml`, beside those that other options
        make; a key that both make is a conflict and fails the evaluation.
        Unknown keys fail the build: `odin config check` reads the file. The
        keys are in `docs/reference/config.md`.
      '';
    };

    secrets = mkOption {
      type = types.listOf (types.submodule ./secret.nix);
      default = [ ];
      example = literalExpression ''
        [ { namespace = "monitoring"; name = "alertmanager-webhook"; key = "token"; generate = 32; } ]
      '';
      description = ''
        Kubernetes Secrets that exist before the first wave is applied. Values
        are never declared: each is read from a file or generated once.
      '';
    };

    apply = {
      pruneLimit = mkOption {
        type = types.ints.unsigned;
        default = 10;
        example = 0;
        description = ''
          How many objects one apply may remove; more stops it and asks. 0
          makes every removal ask.
        '';
      };
      allowPrune = mkOption {
        type = types.listOf object;
        default = [ ];
        example = [ "PersistentVolumeClaim/monitoring/data-prometheus-0" ];
        description = ''
          Objects of protected kinds that may be removed all the same, each
          `Kind/namespace/name` or `Kind/name`. Data behind a claim named here
          is lost when the claim leaves the bundle.
        '';
      };
      takeOver = mkOption {
        type = types.listOf object;
        default = [ ];
        example = [ "ConfigMap/kube-system/coredns" ];
        description = ''
          Objects whose fields are taken from their present managers. Without
          an entry such an apply fails and names the manager.
        '';
      };
      repairDrift = mkOption {
        type = types.bool;
        default = true;
        example = false;
        description = ''
          Whether the supervisor takes back hand-made changes of declared
          fields, usually within seconds. When false they are only recorded.
        '';
      };
    };
  };
}
