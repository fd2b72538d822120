# A GPU server that runs pods for a cluster it does not steer.
{ lib, ... }:
{
  odin = {
    enable = true;
    cluster = {
      role = "agent";
      servers = lib.mkDefault [ "10.0.0.11" ];
      tokenFile = lib.mkDefault "/var/lib/odin/credentials/k3s-token";
    };
  };
}
