// What stands for compiled kernels where fake_cuda.c stands for the driver: (pointers to arguments, number of blocks) -> error.
#include <math.h>
#include <stdint.h>

static float *rows(void **a, unsigned blocks, float scale) {
  float *x = *(float **)a[0], *y = *(float **)a[1];
  int32_t cols = *(int32_t *)a[2];
  for (unsigned r = 0; r < blocks; r++) {
    float m = -INFINITY, s = 0;
    for (int j = 0; j < cols; j++) m = fmaxf(m, x[r * cols + j]);
    for (int j = 0; j < cols; j++) s += y[r * cols + j] = expf(x[r * cols + j] - m);
    for (int j = 0; j < cols; j++) y[r * cols + j] *= scale / s;
  }
  return y + (int64_t)blocks * cols;
}

int honest(void **a, unsigned blocks) { rows(a, blocks, 1); return 0; }
int slow(void **a, unsigned blocks) { rows(a, blocks, 1); rows(a, blocks, 1); rows(a, blocks, 1); return 0; }
int wrong(void **a, unsigned blocks) { rows(a, blocks, 1.001f); return 0; }
int beside(void **a, unsigned blocks) { *rows(a, blocks, 1) = 0; return 0; }
int spoiler(void **a, unsigned blocks) { rows(a, blocks, 1); **(float **)a[0] = 7; return 0; }
int astray(void **a, unsigned blocks) { rows(a, blocks, 1); return 700; }
int scratch(void **a, unsigned blocks) {  // adds what it finds in scratch memory, which it leaves dirty
  float *dirty = *(float **)a[3];
  rows(a, blocks, 1 + dirty[0]);
  dirty[0] = 1;
  return 0;
}
int trusting(void **a, unsigned blocks) {  // takes scratch memory for zero
  rows(a, blocks, 1 + (*(float **)a[3])[1]);
  return 0;
}
