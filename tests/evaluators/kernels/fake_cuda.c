// A stand-in for CUDA's driver: "GPU" memory is the host's, and a kernel's code is the path of a shared object whose
// functions take (pointers to arguments, number of blocks).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int cuInit(unsigned flags) { return getenv("FAKE_CUDA_BROKEN") ? 100 : 0; }
int cuDeviceGet(int *device, int which) { *device = which; return 0; }
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = context; return 0; }
int cuCtxSetCurrent(void *context) { return 0; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "Fake GPU", size); return 0; }
int cuDeviceGetAttribute(int *value, int which, int device) {
  *value = which == 38 ? 1 << 20 : which == 36 ? 1000000 : which == 37 ? 4096 : which == 75 ? 9 : 0;
  return 0;
}
int cuMemAlloc_v2(uint64_t *address, size_t size) { *address = (uint64_t)aligned_alloc(256, (size + 255) / 256 * 256); return *address ? 0 : 2; }
int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t size) { memcpy((void *)to, from, size); return 0; }
int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t size) { memcpy(to, (void *)from, size); return 0; }
int cuMemsetD8_v2(uint64_t to, unsigned char value, size_t size) { memset((void *)to, value, size); return 0; }
int cuModuleLoadData(void **module, const void *image) { return (*module = dlopen(image, RTLD_NOW)) ? 0 : 200; }
int cuModuleGetFunction(void **function, void *module, const char *name) { return (*function = dlsym(module, name)) ? 0 : 500; }
int cuFuncSetAttribute(void *function, int which, int value) { return 0; }
int cuEventCreate(struct timespec **event, unsigned flags) { *event = malloc(sizeof **event); return 0; }
int cuEventRecord(struct timespec *event, void *stream) { return clock_gettime(CLOCK_MONOTONIC, event); }
int cuEventElapsedTime(float *ms, struct timespec *a, struct timespec *b) {
  *ms = (b->tv_sec - a->tv_sec) * 1e3 + (b->tv_nsec - a->tv_nsec) / 1e6;
  return 0;
}
static int failed;
int cuCtxSynchronize(void) { return failed; }
int cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned tx, unsigned ty, unsigned tz, unsigned shared,
                   void *stream, void **arguments, void **extra) {
  failed = ((int (*)(void **, unsigned))function)(arguments, x);
  return 0;
}
