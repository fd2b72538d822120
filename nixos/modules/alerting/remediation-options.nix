# What is done about alerts without a person.
{ lib, ... }:
let
  inherit (lib) mkOption types;
  duration = types.strMatching "([0-9]+(s|m|h))+";
in
{
  options.odin.alerting.remediation = {
    actions = mkOption {
      type = types.listOf (
        types.enum [
          "restart-pod"
          "restart-workload"
          "restart-unit"
          "clean-images"
          "clean-journal"
          "rotate-certificate"
          "cordon"
          "backup-now"
          "apply"
        ]
      );
      default = [ ];
      example = [
        "restart-pod"
        "clean-journal"
      ];
      description = ''
        Remedies that may be carried out when an alert asks for them by its
        annotation `remediation`. What each does is in
        `docs/guides/remediation.md`.
      '';
    };
    dryRun = mkOption {
      type = types.bool;
      default = true;
      example = false;
      description = ''
        Only records what would be done. When false it is done.
      '';
    };
    after = mkOption {
      type = duration;
      default = "1m";
      example = "5m";
      description = ''
        How long an alert must fire before something is done. Zero leaves no
        time to a trouble that goes by itself.
      '';
    };
    coolDown = mkOption {
      type = duration;
      default = "30m";
      example = "2h";
      description = ''
        How long a target is left alone after a remedy. Short, and a pod that
        cannot run is restarted over and over.
      '';
    };
    maximumAnHour = mkOption {
      type = types.ints.positive;
      default = 6;
      example = 2;
      description = ''
        Remedies of all kinds in an hour. Beyond, alerts wait for a person.
      '';
    };
    verifyWithin = mkOption {
      type = duration;
      default = "15m";
      example = "30m";
      description = ''
        How long an alert may take to resolve after its remedy. Then the remedy
        counts as failed and is not repeated.
      '';
    };
    namespaces = mkOption {
      type = types.listOf (types.strMatching "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?");
      default = [
        "monitoring"
        "monitoring-host"
      ];
      example = [
        "monitoring"
        "kube-system"
      ];
      description = ''
        Namespaces whose pods and workloads may be restarted. Users' pods are
        safe as long as their namespace is not here.
      '';
    };
    units = mkOption {
      type = types.listOf (types.strMatching "[^-./ *?][^/ *?]*\\.[a-z]+");
      default = [ ];
      example = [ "odin-gpu.service" ];
      description = ''
        systemd units that `restart-unit` may restart. With K3s' own, a restart
        takes the control plane away for its time.
      '';
    };
    journalSize = mkOption {
      type = types.strMatching "[0-9]+[KMGT]?";
      default = "500M";
      example = "2G";
      description = "What `clean-journal` leaves of the journal; older entries are lost.";
    };
    window = mkOption {
      type = types.nullOr (types.strMatching "[0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9]");
      default = null;
      example = "02:00-04:00";
      description = ''
        Local time of day in which `rotate-certificate` may restart K3s. Null:
        certificates are not rotated, and declaring that action is an error.
      '';
    };
  };
}
