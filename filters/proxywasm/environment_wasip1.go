package proxywasm

// Getenv returns the environment variable that the host gives to the VM (in Envoy:
// vm_config.environment_variables), or an empty string. It is a copy, and it allocates.
func Getenv(name string) string {
	if environSizesGet(&out.number, &out.size) != 0 || out.number == 0 || out.size > MaxBlock {
		return ""
	}
	entries, texts := make([]uint32, out.number), make([]byte, out.size)
	if environGet(&entries[0], &texts[0]) != 0 {
		return ""
	}
	return environmentValue(texts, name)
}
