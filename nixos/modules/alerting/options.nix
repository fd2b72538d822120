# Who is told of which alert, and when.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  duration = types.strMatching "([0-9]+(s|m|h|d))+";
  label = types.strMatching "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
  span =
    example: description:
    mkOption {
      type = types.nullOr duration;
      default = null;
      inherit example description;
    };
  ofAlerts =
    name: example:
    mkOption {
      type = types.nullOr label;
      default = null;
      inherit example;
      description = ''
        Value that the label `${name}` of an alert must have. Null: any, and none.
      '';
    };
in
{
  options.odin.alerting = {
    enable = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether what is below is declared. When false, `site.toml` of the host
        alone can say who is told of its alerts.
      '';
    };

    receiver = mkOption {
      type = types.nullOr label;
      default = null;
      example = "ops";
      description = ''
        Receiver of what no route takes. Null: nobody is told of it, and it is
        only seen on the box.
      '';
    };

    deadMan = {
      receiver = mkOption {
        type = types.nullOr label;
        default = null;
        example = "dead-man";
        description = ''
          Receiver of `Watchdog`, which always fires: something outside of the
          box that raises the alarm when it stays away. Null: a dead Prometheus,
          Alertmanager or box is noticed by nobody.
        '';
      };
      interval = span "1m" ''
        How often that receiver hears. Null: as the bundle says, each minute.
      '';
    };

    groupWait = span "10s" ''
      How long the first notification of a group waits for more alerts of it.
      It is part of the time from a fault to its notification. Null: as the
      bundle says.
    '';
    groupInterval = span "1m" ''
      How long news of a group that was told wait. Null: as the bundle says.
    '';
    repeatInterval = span "4h" ''
      After how long an alert that still fires is told again. Null: as the
      bundle says.
    '';

    routes = mkOption {
      type = types.listOf (
        types.submodule {
          options = {
            receiver = mkOption {
              type = label;
              example = "storage";
              description = "Receiver of alerts with all of these labels.";
            };
            severity = ofAlerts "severity" "critical";
            namespace = ofAlerts "namespace" "workloads";
            team = ofAlerts "team" "storage";
            continue = mkOption {
              type = types.bool;
              default = false;
              example = true;
              description = "Whether the alert goes on as if this route were not there.";
            };
          };
        }
      );
      default = [ ];
      example = [
        {
          receiver = "storage";
          team = "storage";
        }
      ];
      description = ''
        Who is told of what, in this order: the first route whose labels the
        alert has takes it.
      '';
    };

    selfTest.schedule = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "0 7 * * *";
      description = ''
        When a test alert is sent to every receiver, in cron's five fields; the
        outcome is in `odin status`. Null: only by `odin alerts test`.
      '';
    };
  };
}
