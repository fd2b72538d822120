# The power goes while the machine writes, applies and backs up: it comes back by
# itself, with what it had. Not looked at: disks that lie about what they wrote.
{
  name = "powercut";
  globalTimeout = 7200;
  # The driver's checker cannot follow the import of the scenarios.
  skipTypeCheck = true;

  nodes.machine = {
    imports = [ ./machine.nix ];
    virtualisation.useBootLoader = true;
    virtualisation.useEFIBoot = true;
  };

  testScript = ''
    import sys

    sys.path.insert(0, "${./.}")
    from scenarios import powercut

    start_all()
    powercut.run(machine)
  '';
}
