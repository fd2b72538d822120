# A machine comes up with everything declared, and `odin verify --phase 1` says
# so. Not looked at: GPUs, of which a VM has none, and what Grafana shows.
{
  name = "phase1";
  # The images are imported at the first start, from a slow disk.
  globalTimeout = 3600;
  # The driver's checker cannot follow the import of the scenarios.
  skipTypeCheck = true;

  nodes.machine = ./machine.nix;

  testScript = ''
    import sys

    sys.path.insert(0, "${./.}")
    from scenarios import phase1

    start_all()
    phase1.run(machine)
  '';
}
