# Prometheus has every target, its rules and dashboards answer,
# and `odin verify --phase 2` says so. Not looked at: what Grafana draws.
{
  name = "phase2";
  # The images are imported at the first start, from a slow disk.
  globalTimeout = 3600;
  # The driver's checker cannot follow the import of the scenarios.
  skipTypeCheck = true;

  nodes.machine = ./machine.nix;

  testScript = ''
    import sys

    sys.path.insert(0, "${./.}")
    from scenarios import phase2

    start_all()
    phase2.run(machine)
  '';
}
