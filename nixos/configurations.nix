# The configurations of the flake, by name.
{
  server = [
    ./profiles/server.nix
    ./images/disk.nix
  ];
  server-ha = [
    ./profiles/server-ha.nix
    ./images/disk.nix
  ];
  agent = [
    ./profiles/agent.nix
    ./images/disk.nix
  ];
  dev = [
    ./profiles/dev.nix
    ./images/disk.nix
  ];
}
