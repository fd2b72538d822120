# ODIN's container images, by the chart that runs them; built from nixpkgs, so
# that nothing is pulled. Base names are unique: K3s gets each image under the
# name of its file, and of two equal ones it sees only one.
{ pkgs }:
let
  inherit (pkgs) lib;
  inherit (pkgs) dockerTools;

  image = import ./image.nix { inherit pkgs; };

  # Receivers and remote endpoints speak TLS.
  withCertificates = [ dockerTools.caCertificates ];

  # What no chart of this tree runs would take space for nothing. By name alone:
  # the names of the flake's outputs must not need a package.
  wanted = name: name == "busybox" || builtins.pathExists (../../manifests/charts + "/${name}");
in
lib.filterAttrs (name: _: wanted name) {
  prometheus = image {
    name = "prometheus";
    tag = "v${pkgs.prometheus.version}";
    versioned = true;
    package = pkgs.prometheus;
    program = "prometheus";
    contents = withCertificates ++ [ pkgs.prometheus.cli ];
    directory = "/prometheus";
  };

  alertmanager = image {
    name = "alertmanager";
    tag = "v${pkgs.prometheus-alertmanager.version}";
    versioned = true;
    package = pkgs.prometheus-alertmanager;
    program = "alertmanager";
    contents = withCertificates ++ [ pkgs.prometheus-alertmanager ];
    directory = "/alertmanager";
  };

  node-exporter = image {
    name = "node-exporter";
    tag = "v${pkgs.prometheus-node-exporter.version}";
    versioned = true;
    package = pkgs.prometheus-node-exporter;
    program = "node_exporter";
  };

  loki = image {
    name = "loki";
    tag = "v${pkgs.grafana-loki.version}";
    versioned = true;
    package = pkgs.grafana-loki;
    program = "loki";
    contents = withCertificates;
    directory = "/loki";
  };

  # Root, without its rights, as its chart says: the kubelet and the API server
  # write logs for root alone.
  otel-collector = image {
    name = "otel-collector";
    tag = "v${pkgs.opentelemetry-collector-contrib.version}";
    versioned = true;
    package = pkgs.opentelemetry-collector-contrib;
    program = "otelcol-contrib";
    contents = withCertificates;
    user = "0:0";
  };

  # Its pages and defaults are at /share/grafana, which the chart names.
  grafana = image {
    name = "grafana";
    tag = "v${pkgs.grafana.version}";
    versioned = true;
    package = pkgs.grafana;
    program = "grafana";
    contents = withCertificates ++ [ pkgs.grafana ];
    directory = "/grafana";
  };

  kube-state-metrics = image {
    name = "kube-state-metrics";
    tag = "v${pkgs.kube-state-metrics.version}";
    versioned = true;
    package = pkgs.kube-state-metrics;
    program = "kube-state-metrics";
  };

  # Probes of `odin verify`. Root unless the pod says otherwise, as everybody's
  # busybox: its pods run under Pod Security `restricted`, which says so.
  busybox = image {
    name = "busybox";
    tag = "1";
    versioned = false;
    package = pkgs.pkgsStatic.busybox;
    program = "sh";
    contents = [ pkgs.pkgsStatic.busybox ];
    user = "0:0";
  };
}
