# What only servers have: hardening arguments of the control plane.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.odin.cluster;
  json = pkgs.formats.json { };
  files = import ./admission.nix { inherit (cfg) podSecurity; };
  admission = json.generate "admission.yaml" files.admission;
  audit = json.generate "audit-policy.yaml" files.audit;
  logs = "/var/lib/rancher/k3s/server/logs";
in
{
  config = lib.mkIf (config.odin.enable && cfg.role == "server") {
    odin.cluster.settings = {
      write-kubeconfig-mode = "0600";
      secrets-encryption = cfg.encryptSecrets;
      kube-apiserver-arg = [
        "enable-admission-plugins=NodeRestriction,EventRateLimit"
        "admission-control-config-file=${admission}"
        "service-account-extend-token-expiration=false"
      ]
      ++ lib.optionals cfg.auditLog [
        "audit-log-path=${logs}/audit.log"
        "audit-policy-file=${audit}"
        "audit-log-maxage=30"
        "audit-log-maxbackup=10"
        "audit-log-maxsize=100"
      ];
      kube-controller-manager-arg = [ "terminated-pod-gc-threshold=100" ];
      # Snapshots of etcd are ODIN's affair, with everything else of the box.
      etcd-disable-snapshots = cfg.servers != [ ];
    };

    # The API server does not make the directory of its audit log.
    systemd.tmpfiles.settings."20-odin-audit".${logs}.d = {
      mode = "0700";
      user = "root";
      group = "root";
    };
  };
}
