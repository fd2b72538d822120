# A generation that is better than the one before: staged for one boot, judged,
# and made the default. The other generation is a specialisation, built with the
# machine, so nothing is fetched.
{
  name = "upgrade-good";
  globalTimeout = 7200;
  # The driver's checker cannot follow the import of the scenarios.
  skipTypeCheck = true;

  nodes.machine =
    { pkgs, ... }:
    {
      imports = [ ./machine.nix ];
      virtualisation.useBootLoader = true;
      virtualisation.useEFIBoot = true;
      specialisation.next.configuration.environment.systemPackages = [ pkgs.hello ];
    };

  testScript =
    { nodes, ... }:
    ''
      import sys

      sys.path.insert(0, "${./.}")
      from scenarios import upgrade

      start_all()
      upgrade.good(machine, "${nodes.machine.system.build.toplevel}/specialisation/next")
    '';
}
