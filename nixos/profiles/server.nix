# One GPU server: what the image is built from.
{
  odin.enable = true;
}
