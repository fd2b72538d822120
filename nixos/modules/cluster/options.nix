# K3s: what the machine is in its cluster.
{ lib, ... }:
let
  inherit (lib) mkOption types;
in
{
  imports = [
    ./node-options.nix
    ./hardening-options.nix
    # A token that is a value would lie in the store, readable by everybody.
    (lib.mkRemovedOptionModule [ "odin" "cluster" "token" ] ''
      Values of options are world-readable in the Nix store. Write the token to
      a file on the machine and name it in odin.cluster.tokenFile.
    '')
  ];

  options.odin.cluster = {
    role = mkOption {
      type = types.enum [
        "server"
        "agent"
      ];
      default = "server";
      example = "agent";
      description = ''
        What the machine is. A server runs the control plane, applies the
        bundle and backs up the datastore; an agent runs pods only, and its
        supervisor only watches its own node.
      '';
    };

    servers = mkOption {
      type = types.listOf types.nonEmptyStr;
      default = [ ];
      example = [
        "10.0.0.11"
        "10.0.0.12"
        "10.0.0.13"
      ];
      description = ''
        Addresses of all servers, this one among them. Empty: one server with
        SQLite. Three or five: embedded etcd, which survives the loss of one or
        two; the first makes the cluster, the others join it. Two or four are
        refused, for they survive no more than one or three. On an agent: the
        servers it may join, one is enough.
      '';
    };

    agents = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether agents join this one server. It opens the ports that nodes need
        of each other, on `odin.cluster.interface` or, where that is null,
        everywhere. With several servers they are open anyway.
      '';
    };

    address = mkOption {
      type = types.nullOr types.nonEmptyStr;
      default = null;
      example = "10.0.0.11";
      description = ''
        Address of this machine in the cluster. Null lets K3s take that of the
        default route, which on a machine with several networks may be the
        wrong one. With several servers it must be one of
        `odin.cluster.servers`.
      '';
    };

    interface = mkOption {
      type = types.nullOr types.nonEmptyStr;
      default = null;
      example = "eno1";
      description = ''
        Network interface between the nodes. Flannel uses it, and the firewall
        opens the ports between nodes only there. Null: the interface of the
        default route, and the ports are open on all, which is right for one
        network only.
      '';
    };

    tokenFile = mkOption {
      type = types.nullOr types.externalPath;
      default = null;
      example = "/var/lib/odin/credentials/k3s-token";
      description = ''
        File with the secret by which nodes join. Needed with several servers
        and on agents; a single server makes its own. A path of the Nix store
        is refused, because everybody on the machine could read it.
      '';
    };
  };
}
