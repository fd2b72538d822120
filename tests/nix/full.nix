# A server on which every option that ends in odin.toml is set.
{
  imports = [ ./full-alerting.nix ];

  odin = {
    enable = true;
    secrets = [
      {
        namespace = "monitoring";
        name = "alertmanager-receivers";
        key = "slack-url";
        file = "/var/lib/odin/credentials/slack-url";
      }
      {
        namespace = "monitoring";
        name = "alertmanager-webhook";
        key = "token";
        generate = 32;
      }
    ];
    apply = {
      allowPrune = [ "PersistentVolumeClaim/monitoring/data-prometheus-0" ];
      takeOver = [ "ConfigMap/kube-system/coredns" ];
    };
    api = {
      names = [
        "gpu-01.example.org"
        "10.0.0.11"
      ];
      open = true;
    };
    backup = {
      copies = [
        {
          name = "usb";
          repository = "/mnt/usb/odin";
          passwordFile = "/var/lib/odin/repository-password";
          schedule = "0 6 * * *";
        }
      ];
      sources = [
        {
          name = "models";
          path = "/srv/models";
        }
      ];
      volumes = [
        {
          namespace = "workloads";
          claim = "data-postgres-0";
          before = [ "/bin/true" ];
        }
      ];
    };
    gpu = {
      metrics.pricePerGpuHour = 2.5;
      sharing = {
        version = "v1";
        flags.migStrategy = "mixed";
        sharing.timeSlicing.resources = [
          {
            name = "nvidia.com/gpu";
            replicas = 4;
          }
        ];
      };
      mig."NVIDIA H100 80GB HBM3" = {
        "1g.10gb" = 4;
        "3g.40gb" = 1;
      };
      remediation.actions = [
        "taint"
        "drain"
      ];
    };
    # Several servers: the datastore is etcd, whose snapshots need a command.
    cluster = {
      servers = [
        "10.0.0.11"
        "10.0.0.12"
        "10.0.0.13"
      ];
      address = "10.0.0.12";
      tokenFile = "/var/lib/odin/credentials/k3s-token";
    };
  };
}
