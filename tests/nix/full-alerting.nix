# Alerts of the server on which every option is set.
{
  odin.alerting = {
    enable = true;
    receiver = "ops";
    deadMan = {
      receiver = "dead-man";
      interval = "1m";
    };
    groupWait = "10s";
    groupInterval = "1m";
    repeatInterval = "4h";
    receivers = [
      {
        name = "ops";
        email = {
          to = "ops@example.org";
          from = "odin@example.org";
          smarthost = "mail.example.org:587";
          username = "odin";
          passwordFile = "/var/lib/odin/credentials/smtp-password";
        };
        slack = {
          channel = "#ops";
          urlFile = "/var/lib/odin/credentials/slack-url";
        };
        pagerduty.routingKeyFile = "/var/lib/odin/credentials/pagerduty-key";
        webhook = {
          urlFile = "/var/lib/odin/credentials/hook-url";
          bearerTokenFile = "/var/lib/odin/credentials/hook-token";
        };
      }
      {
        name = "dead-man";
        webhook.url = "https://dead-man.example.org/ping";
      }
    ];
    routes = [
      {
        receiver = "ops";
        severity = "critical";
        namespace = "workloads";
        team = "storage";
        continue = true;
      }
    ];
    selfTest.schedule = "0 7 * * *";
    remediation = {
      actions = [
        "restart-pod"
        "restart-unit"
        "rotate-certificate"
      ];
      units = [ "odin-gpu.service" ];
      window = "02:00-04:00";
    };
  };
}
