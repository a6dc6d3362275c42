#include "desk/throttle.h"

double ob_throttle_rest_s(double cpu_s, double wall_s, double share, unsigned processors) {
    if (!(share > 0) || share >= 1 || processors == 0)
        return 0;
    double due_s = cpu_s / (share * processors);
    return due_s > wall_s ? due_s - wall_s : 0;
}
