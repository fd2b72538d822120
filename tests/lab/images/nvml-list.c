/* Prints the UUID of every GPU that NVML lists, one a line: what a program in
 * a container sees. It loads the library as any client does. */
#include <dlfcn.h>
#include <stdio.h>

typedef int (*init_t)(void);
typedef int (*count_t)(unsigned int *);
typedef int (*handle_t)(unsigned int, void **);
typedef int (*uuid_t)(void *, char *, unsigned int);

static void *library;

static void *find(const char *name) {
    void *found = dlsym(library, name);
    if (!found)
        fprintf(stderr, "%s\n", dlerror());
    return found;
}

int main(void) {
    library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    init_t init = (init_t)find("nvmlInit_v2");
    count_t count = (count_t)find("nvmlDeviceGetCount_v2");
    handle_t handle = (handle_t)find("nvmlDeviceGetHandleByIndex_v2");
    uuid_t uuid = (uuid_t)find("nvmlDeviceGetUUID");
    if (!init || !count || !handle || !uuid)
        return 1;
    unsigned int devices = 0;
    int code = init();
    if (code == 0)
        code = count(&devices);
    for (unsigned int at = 0; code == 0 && at < devices; at++) {
        void *device = 0;
        char text[96] = "";
        code = handle(at, &device);
        if (code == 0)
            code = uuid(device, text, sizeof text);
        if (code == 0)
            puts(text);
    }
    if (code != 0)
        fprintf(stderr, "NVML answered %d\n", code);
    return code != 0;
}
