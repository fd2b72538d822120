# What the runbooks have a person call, beside what every NixOS has: a box without
# a network cannot fetch it when it is needed.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  # Of Loki's package the client alone: its servers are in the image.
  logcli = pkgs.runCommandLocal "logcli" { } ''
    install -D ${pkgs.grafana-loki}/bin/logcli $out/bin/logcli
  '';
in
{
  config = lib.mkIf config.odin.enable {
    environment.systemPackages = [
      # Hardware.
      pkgs.ethtool
      pkgs.ipmitool
      pkgs.lm_sensors
      pkgs.mdadm
      pkgs.nvme-cli
      pkgs.pciutils
      pkgs.smartmontools
      pkgs.xfsprogs
      # What runs, and who has what open.
      pkgs.conntrack-tools
      pkgs.iotop
      pkgs.psmisc
      pkgs.sysstat
      # What the stack keeps and is told.
      logcli
      pkgs.jq
      pkgs.prometheus-alertmanager
      pkgs.prometheus.cli
      pkgs.sqlite
    ];
  };
}
