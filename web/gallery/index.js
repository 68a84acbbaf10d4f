import {Page} from '../page.js';

new Page('gallery.>').connect();
