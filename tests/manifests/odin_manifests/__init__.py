"""What the tests of the manifests share: where things are, bundles, pods, networks."""
