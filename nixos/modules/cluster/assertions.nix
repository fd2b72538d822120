# Contradictions in odin.cluster.
{ config, lib, ... }:
let
  cfg = config.odin.cluster;
  show = builtins.toJSON;
  count = lib.length cfg.servers;
  isServer = cfg.role == "server";
  several = isServer && count > 0;
  images = map (image: image.name) config.services.k3s.images;
in
{
  config = lib.mkIf config.odin.enable {
    assertions = [
      {
        assertion = !isServer || count == 0 || count == 3 || count == 5;
        message = "odin.cluster.servers = ${show cfg.servers}: ${toString count} servers with embedded etcd are refused; declare none (one server), three or five";
      }
      {
        assertion = lib.allUnique cfg.servers;
        message = "odin.cluster.servers = ${show cfg.servers}: an address is named twice";
      }
      {
        assertion = !several || cfg.address != null && lib.elem cfg.address cfg.servers;
        message = "odin.cluster.address = ${show cfg.address}: with several servers it must be one of odin.cluster.servers = ${show cfg.servers}";
      }
      {
        assertion = !several || cfg.tokenFile != null;
        message = "odin.cluster.tokenFile = null: with several servers (odin.cluster.servers) each needs the same token from a file";
      }
      {
        assertion = isServer || count > 0;
        message = "odin.cluster.servers = []: an agent (odin.cluster.role) needs a server to join";
      }
      {
        assertion = isServer || cfg.tokenFile != null;
        message = "odin.cluster.tokenFile = null: an agent (odin.cluster.role) needs the token of its cluster from a file";
      }
      {
        assertion = !(cfg.settings ? token || cfg.settings ? agent-token);
        message = "odin.cluster.settings: token and agent-token would lie readable in the Nix store; use odin.cluster.tokenFile";
      }
      {
        assertion = lib.allUnique images;
        message = "odin.images: two files of one name among ${show images}; K3s sees only one of them, give each image a base name of its own";
      }
      {
        assertion = lib.all (name: !(lib.elem name cfg.disabledComponents)) [
          "coredns"
          "local-storage"
        ];
        message = "odin.cluster.disabledComponents = ${show cfg.disabledComponents}: the bundle needs coredns and local-storage";
      }
    ];
  };
}
