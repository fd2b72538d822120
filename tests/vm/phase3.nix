# An alert that ODIN raises goes its whole way through Alertmanager,
# and `odin verify --phase 3` says so. Not looked at: whether a message arrives at a receiver outside the machine.
{
  name = "phase3";
  # The images are imported at the first start, from a slow disk.
  globalTimeout = 3600;
  # The driver's checker cannot follow the import of the scenarios.
  skipTypeCheck = true;

  nodes.machine = ./machine.nix;

  testScript = ''
    import sys

    sys.path.insert(0, "${./.}")
    from scenarios import phase3

    start_all()
    phase3.run(machine)
  '';
}
