#include "cli/usual_rate.h"

#include <math.h>

#define MILLION_ALL      2e-5
#define MILLION_ADAPTERS 5e-4
#define FALL             0.35
#define HIGH             10.0
#define LOW              0.01

double ob_usual_rate(uint64_t parameters, bool adapters) {
    return (adapters ? MILLION_ADAPTERS : MILLION_ALL) * pow((double)parameters * 1e-6, -FALL);
}

enum ob_rate_verdict ob_usual_rate_judge(double rate, uint64_t parameters, bool adapters) {
    double usual = ob_usual_rate(parameters, adapters);
    return rate > HIGH * usual ? OB_RATE_HIGH : rate < LOW * usual ? OB_RATE_LOW : OB_RATE_USUAL;
}
