# What the node offers, keeps for itself, and how it shuts down.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  label = types.strMatching "[^=]+=[^=]*";
  taint = types.strMatching "[^=:]+(=[^:]*)?:(NoSchedule|PreferNoSchedule|NoExecute)";
  quantities = types.attrsOf types.nonEmptyStr;
in
{
  options.odin.cluster = {
    labels = mkOption {
      type = types.listOf label;
      default = [ ];
      example = [ "topology.kubernetes.io/zone=rack-3" ];
      description = "Labels the node registers with; later changes need `kubectl label`.";
    };

    taints = mkOption {
      type = types.listOf taint;
      default = [ ];
      example = [ "nvidia.com/gpu=present:NoSchedule" ];
      description = "Taints the node registers with; pods that tolerate none of them stay away.";
    };

    disabledComponents = mkOption {
      type = types.listOf (
        types.enum [
          "coredns"
          "local-storage"
          "metrics-server"
          "runtimes"
          "servicelb"
          "traefik"
        ]
      );
      default = [
        "servicelb"
        "traefik"
      ];
      example = [ "traefik" ];
      description = ''
        Packaged components K3s leaves out; one that ran before is removed with
        its objects. The default opens no port that the bundle does not declare.
      '';
    };

    reserved = {
      system = mkOption {
        type = quantities;
        default = {
          cpu = "500m";
          memory = "2Gi";
          ephemeral-storage = "4Gi";
        };
        example = {
          cpu = "2";
          memory = "8Gi";
        };
        description = ''
          What pods cannot have because the system, the supervisor and its
          backup jobs need it. Too little, and a busy pod starves the backup.
        '';
      };
      kubernetes = mkOption {
        type = quantities;
        default = {
          cpu = "500m";
          memory = "1Gi";
        };
        example = {
          cpu = "1";
          memory = "2Gi";
        };
        description = "What pods cannot have because K3s itself needs it.";
      };
    };

    shutdown = {
      gracePeriod = mkOption {
        type = types.nonEmptyStr;
        default = "90s";
        example = "5m";
        description = ''
          How long a shutdown waits for pods. Shorter than a database or
          Prometheus needs, and it replays its log at the next start.
        '';
      };
      criticalGracePeriod = mkOption {
        type = types.nonEmptyStr;
        default = "20s";
        example = "30s";
        description = "The part of it that is kept for the cluster's own pods, which end last.";
      };
    };
  };
}
