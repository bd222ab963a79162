"""ponytaco's own files: tensors and plain values in the safetensors format."""
