# What listens, and who reaches it.
{ config, lib, ... }:
let
  cfg = config.odin.api;
  inherit (config.odin) cluster;
  # An address of IPv6 stands in brackets before its port.
  address = if lib.hasInfix ":" cfg.address then "[${cfg.address}]" else cfg.address;
in
{
  imports = [ ./options.nix ];

  config = lib.mkIf (config.odin.enable && cfg.enable) {
    odin.settings.api = {
      listen = "${address}:${toString cfg.port}";
      inherit (cfg) names;
      # Of several servers the first.
      scrape =
        cluster.role == "server" && (cluster.servers == [ ] || cluster.address == lib.head cluster.servers);
    };
    networking.firewall.allowedTCPPorts = lib.optional cfg.open cfg.port;
  };
}
