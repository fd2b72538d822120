# The configurations of the flake, by name.
{
  server = [ ./profiles/server.nix ];
  server-ha = [ ./profiles/server-ha.nix ];
  agent = [ ./profiles/agent.nix ];
  dev = [ ./profiles/dev.nix ];
}
