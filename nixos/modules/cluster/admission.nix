# Files the API server reads, as values: admission and audit policy. JSON is
# YAML. After the hardening guide of K3s (docs.k3s.io, security/hardening-guide).
{ podSecurity }:
{
  admission = {
    apiVersion = "apiserver.config.k8s.io/v1";
    kind = "AdmissionConfiguration";
    plugins = [
      {
        name = "PodSecurity";
        configuration = {
          apiVersion = "pod-security.admission.config.k8s.io/v1";
          kind = "PodSecurityConfiguration";
          defaults = {
            inherit (podSecurity) enforce;
            enforce-version = "latest";
            audit = "restricted";
            audit-version = "latest";
            warn = "restricted";
            warn-version = "latest";
          };
          exemptions = {
            usernames = [ ];
            runtimeClasses = [ ];
            namespaces = podSecurity.exemptNamespaces;
          };
        };
      }
      {
        name = "EventRateLimit";
        configuration = {
          apiVersion = "eventratelimit.admission.k8s.io/v1alpha1";
          kind = "Configuration";
          # A pod that fails in a loop must not fill the datastore.
          limits = [
            {
              type = "Server";
              qps = 200;
              burst = 2000;
            }
            {
              type = "Namespace";
              qps = 50;
              burst = 500;
            }
          ];
        };
      }
    ];
  };

  audit = {
    apiVersion = "audit.k8s.io/v1";
    kind = "Policy";
    omitStages = [ "RequestReceived" ];
    rules = [
      # Who touched a secret, never what was in it.
      {
        level = "Metadata";
        resources = [
          {
            group = "";
            resources = [
              "secrets"
              "configmaps"
              "serviceaccounts/token"
            ];
          }
          # A review holds the token it is about.
          {
            group = "authentication.k8s.io";
            resources = [ "tokenreviews" ];
          }
        ];
      }
      # Leases and events are most of the writes and tell nothing.
      {
        level = "None";
        resources = [
          {
            group = "";
            resources = [ "events" ];
          }
          {
            group = "events.k8s.io";
            resources = [ "events" ];
          }
          {
            group = "coordination.k8s.io";
            resources = [ "leases" ];
          }
        ];
      }
      {
        level = "RequestResponse";
        verbs = [
          "create"
          "delete"
          "deletecollection"
          "patch"
          "update"
        ];
      }
      {
        level = "None";
        verbs = [
          "get"
          "list"
          "watch"
        ];
      }
      { level = "Metadata"; }
    ];
  };
}
