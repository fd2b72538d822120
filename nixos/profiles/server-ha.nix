# One of three GPU servers with embedded etcd. The addresses are an example: a
# cluster of your own sets them, and one configuration a server.
{ lib, ... }:
{
  odin = {
    enable = true;
    cluster = {
      servers = lib.mkDefault [
        "10.0.0.11"
        "10.0.0.12"
        "10.0.0.13"
      ];
      address = lib.mkDefault "10.0.0.11";
      tokenFile = lib.mkDefault "/var/lib/odin/credentials/k3s-token";
    };
    network.static = lib.mkDefault {
      interface = "eno1";
      address = "10.0.0.11/24";
      gateway = "10.0.0.1";
    };
  };
}
