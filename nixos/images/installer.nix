# The ISO: the installer, with the disk image on it, readable when booted at
# /iso/odin.
{ rawImage }:
{
  image.modules.iso-installer = {
    image.baseName = "odin-installer";
    isoImage = {
      makeEfiBootable = true;
      makeUsbBootable = true;
      volumeID = "ODIN";
      # The image is most of the medium and does not shrink much further.
      squashfsCompression = "zstd -Xcompression-level 6";
      contents = [
        {
          source = "${rawImage}/${rawImage.passthru.filePath}";
          target = "/odin/odin.img";
        }
      ];
    };
  };
}
