/* Holds a pod's namespaces open, and collects the orphans of a pod whose
 * containers share one process namespace. */

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void finish(int number)
{
	(void)number;
	_exit(0);
}

static void collect(int number)
{
	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(void)
{
	struct sigaction finishing = {.sa_handler = finish};
	struct sigaction collecting = {.sa_handler = collect, .sa_flags = SA_NOCLDSTOP};

	if (sigaction(SIGINT, &finishing, NULL) || sigaction(SIGTERM, &finishing, NULL) ||
	    sigaction(SIGCHLD, &collecting, NULL))
		return 1;
	for (;;)
		pause();
}
