"""What was measured on, in a line."""

import os
import platform
import re


def describe_machine() -> str:
    """Processor, cores, memory and system."""
    with open("/proc/cpuinfo") as cpu, open("/proc/meminfo") as memory:
        model = re.search(r"model name\s*:\s*(.*)", cpu.read())[1]
        gib = int(re.search(r"MemTotal:\s*(\d+)", memory.read())[1]) / 2**20
    return f"{model}, {os.cpu_count()} cores, {gib:.0f} GiB, {platform.system()} {platform.release()}, {platform.machine()}"
